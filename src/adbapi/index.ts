// The database room: empty so far, so that its entry point resolves.
export {};
