"""The Beacon over HTTP: routes from the table of entry types, short handlers, one envelope."""
