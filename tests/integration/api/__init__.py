"""Docker's description of the Engine API, and a case for every status code that it documents."""
