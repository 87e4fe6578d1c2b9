"""From samples to turns and speech scores."""
