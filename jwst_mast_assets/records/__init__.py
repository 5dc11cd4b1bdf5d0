"""What we keep of a proposal: its tables, its history, what is due; reads and writes below the output folder."""
