// The entry point strand/protocols/ftp: reserved, there is no FTP in it yet.
export {};
