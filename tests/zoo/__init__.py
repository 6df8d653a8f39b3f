"""Small networks of many kinds, their data and their training: subjects of `checkup`."""
