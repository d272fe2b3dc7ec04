"""Who was told what: one line for each answer, chained, signed, searched and pruned. See ``docs/audit.md``."""
