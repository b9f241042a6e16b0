"""From rows to a data set: rules, ledger, shards, version."""
