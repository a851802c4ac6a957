-- The order of ids is the order of queueing; when that was is another matter, since clocks jump.
CREATE INDEX runs_created ON runs (created_at);
