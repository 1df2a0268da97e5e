"""A certificate read strictly: documents, models, formulas, the table of rules, fields; refusals name their place."""
