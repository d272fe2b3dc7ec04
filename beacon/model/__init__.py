"""Pure values, no I/O: what is asked, what is answered, who asks, and what may be seen."""
