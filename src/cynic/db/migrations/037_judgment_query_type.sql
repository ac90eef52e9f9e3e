-- 037_judgment_query_type: what kind of question a judgment answered
--
-- The axioms weigh differently for code, design, a market; the kind is stored with the judgment, so that its
-- score can be computed again later. An open set; NULL means the plain weights.
-- migrate:up

ALTER TABLE judgments ADD COLUMN query_type varchar;
COMMENT ON COLUMN judgments.query_type IS 'kind of question, which sets the weights of the axioms; without it a score could not be derived again';

-- migrate:down

-- Loses the kinds of question.
ALTER TABLE judgments DROP COLUMN query_type;
