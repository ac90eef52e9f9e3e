-- 061_learning_queue_order: the queue of learning is read from its front
--
-- Rows are taken in the order of their writers, a few hundred at a time. Without this index each of these looks at all
-- rows that wait, so that a backlog of n answers costs n².
-- migrate:up

CREATE INDEX idx_learning_queue_order ON ops_learning_queue (written_by, id);

-- migrate:down

DROP INDEX idx_learning_queue_order;
