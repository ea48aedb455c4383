"""What a survey means for a person: named findings, each with what to do next."""
