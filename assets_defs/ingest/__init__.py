"""From files to rows: what the sources list, and what loads."""
