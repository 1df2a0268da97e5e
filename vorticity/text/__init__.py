"""Texts in and out: options to models, rules and parameters; answers to tables, JSON, Markdown and notebooks."""
