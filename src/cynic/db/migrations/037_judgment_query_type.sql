-- 037_judgment_query_type: what kind of question a judgment answered
--
-- Code, a review, a deployment: the context in which the item was judged. Which dog to ask is learned for each
-- context, so it is stored with the judgment. An open set; NULL when the writer named none.
-- migrate:up

ALTER TABLE judgments ADD COLUMN query_type varchar;
COMMENT ON COLUMN judgments.query_type IS 'context in which the item was judged (code, security, review …), as the writer named it; routing is learned for each';

-- migrate:down

-- Loses the kinds of question.
ALTER TABLE judgments DROP COLUMN query_type;
