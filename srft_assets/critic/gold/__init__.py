"""Labels that people gave, and the queue of steps for people to label."""
