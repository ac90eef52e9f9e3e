-- 003_ecosystem_docs: documentation of sibling projects
--
-- What was indexed of each project, and when; the newest row of a project is its documentation.
-- migrate:up

CREATE TABLE ecosystem_docs (
    id bigserial PRIMARY KEY,
    project_name varchar NOT NULL,
    documentation text NOT NULL,
    indexed_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_ecosystem_docs_project ON ecosystem_docs (project_name, indexed_at DESC);

COMMENT ON TABLE ecosystem_docs IS 'memory: documentation of sibling projects, as last indexed';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE ecosystem_docs;
