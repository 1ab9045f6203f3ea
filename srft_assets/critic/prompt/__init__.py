"""What a critic is asked: a run, fenced and cut to a budget, put into the critic's prompt."""
