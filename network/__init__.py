"""One question to many beacons, joined into one answer that says what became of every one of them."""
