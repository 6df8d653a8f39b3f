"""Small networks, healthy and sick, and the pictures they were trained on."""
