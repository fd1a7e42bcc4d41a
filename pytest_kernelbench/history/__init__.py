"""What earlier sessions measured: saved runs, records, and how this one compares."""
