"""Building blocks that two systems share: attention, feed-forward, point encoder, sampling."""
