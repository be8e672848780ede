"""Where things are kept: `ports` says what is asked of a store, the other modules are its adapters."""
