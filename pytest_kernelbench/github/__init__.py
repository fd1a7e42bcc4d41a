"""What a workflow of GitHub Actions asks of this package, beside running pytest."""
