"""From files as curators have them to records in the store: sources, checks, mapping, pipeline."""
