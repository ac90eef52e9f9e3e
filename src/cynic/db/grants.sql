-- The rights of the three roles on one schema, stated whole and applied after every migration.
--
-- Reader: SELECT, except of keys and secrets. Application: SELECT, INSERT, UPDATE, DELETE, except that the append-only tables can only
-- be inserted into (judgments: and its three anchor columns updated) and the ledger of migrations only read.
-- Triggers hold the same rules against the owner; rights hold them against the application, twice over.
-- Functions run with the caller's rights; the few that run with the owner's are for the application alone.

-- name: grant_rights
DO $$
DECLARE
    v_schema CONSTANT text := current_schema();
    -- Only what the ledger's owner owns is ours: a shared schema may hold other people's tables.
    v_owner CONSTANT oid := (
        SELECT c.relowner FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = quote_ident(v_schema)::regnamespace AND c.relname = '_migrations');
    v_relation record;
    v_function regprocedure;
BEGIN
    IF v_owner IS NULL OR (
        SELECT count(*) FROM pg_catalog.pg_roles AS r WHERE r.rolname IN ('cynic_app', 'cynic_reader')) < 2 THEN
        RETURN;
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO cynic_app, cynic_reader', v_schema);
    FOR v_relation IN
        SELECT c.relname AS name, c.relkind AS kind FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = quote_ident(v_schema)::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S') AND c.relowner = v_owner
        ORDER BY c.relname
    LOOP
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC, cynic_app, cynic_reader', v_relation.name);
        IF v_relation.kind = 'S' THEN
            EXECUTE format('GRANT USAGE ON SEQUENCE %I TO cynic_app', v_relation.name);
            CONTINUE;
        END IF;
        EXECUTE format('GRANT SELECT ON %I TO cynic_app', v_relation.name);
        IF v_relation.name NOT IN ('ops_secrets', 'ops_api_keys') THEN
            EXECUTE format('GRANT SELECT ON %I TO cynic_reader', v_relation.name);
        END IF;
        CASE v_relation.name
            WHEN '_migrations', 'ops_secrets' THEN
                NULL;
            WHEN 'judgments' THEN
                GRANT INSERT, UPDATE (anchor_status, anchor_tx, anchor_slot) ON judgments TO cynic_app;
            WHEN 'dog_votes' THEN
                GRANT INSERT ON dog_votes TO cynic_app;
            WHEN 'cost_ledger' THEN
                GRANT INSERT ON cost_ledger TO cynic_app;
            ELSE
                EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %I TO cynic_app', v_relation.name);
        END CASE;
    END LOOP;
    FOR v_function IN
        SELECT p.oid::regprocedure FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = quote_ident(v_schema)::regnamespace AND p.prosecdef AND p.proowner = v_owner
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', v_function);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO cynic_app', v_function);
    END LOOP;
END;
$$;
