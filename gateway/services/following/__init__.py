"""The networks this gateway follows, as sources of its directory."""
