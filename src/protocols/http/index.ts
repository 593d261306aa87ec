// The entry point strand/protocols/http: reserved, there is no HTTP in it yet.
export {};
