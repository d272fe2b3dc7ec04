"""The groups of the ``skerry`` command."""
