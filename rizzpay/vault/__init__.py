"""Personal data of payers: sealed columns and blind indexes live here only."""
