-- The three roles and the extension, made where they are missing and where the session may.
--
-- cynic_owner owns the tables and functions and is who migrations act as; cynic_app is what the service
-- acts as; cynic_reader can only read. None can log in: a login role is made a member, or a service that
-- connects as owner or superuser does SET ROLE. Roles belong to the whole cluster, not to a schema: no
-- migration makes them and none drops them. Where they cannot be made, everything still works as one user,
-- and `cynic db verify` warns. Run before the migrations, again and again without harm.

-- name: make_roles
DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['cynic_owner', 'cynic_app', 'cynic_reader'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = v_role) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', v_role);
            END IF;
            IF NOT pg_has_role(current_user, v_role, 'SET') THEN
                EXECUTE format('GRANT %I TO CURRENT_USER WITH SET TRUE, INHERIT TRUE', v_role);
            END IF;
        EXCEPTION
            WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN
                -- Not permitted, or another database of this cluster was quicker: both are reported by verify.
                NULL;
        END;
    END LOOP;
    -- The owner's own rights come first: migrations act as it from the first file on.
    IF EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'cynic_owner')
        AND NOT has_schema_privilege('cynic_owner', current_schema(), 'CREATE') THEN
        EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO cynic_owner', current_schema());
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END;
$$;

-- name: make_extension
-- As the session's own user, because an owner role need not have the right to install extensions.
CREATE EXTENSION IF NOT EXISTS vector;
