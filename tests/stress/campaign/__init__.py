"""What must hold whatever happens: kills, damaged input, forged entries, hostile code, counted by kind."""
