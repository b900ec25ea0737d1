"""For those who give a course: notebooks to hand out, and marks."""
