"""Types, errors and array shapes that every other folder shares. Imports numpy only."""
