"""What a task is, and the kinds of tasks."""
