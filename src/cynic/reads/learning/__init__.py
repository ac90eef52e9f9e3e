"""What was learned: `status` shows the eleven loops, `calibration` how well probabilities agree with what came true."""
