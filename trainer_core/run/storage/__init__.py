"""What runs keep on the disk: checkpoints, room, what may go."""
