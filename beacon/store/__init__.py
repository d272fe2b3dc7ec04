"""Where a site's data lie: MongoDB, spoken to by this package alone."""
