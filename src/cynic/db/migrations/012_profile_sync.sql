-- 012_profile_sync: bringing a profile together from several places
--
-- `sync_user_profile` merges what one place knows into what is stored: keys it does not mention stay, so that
-- two places that each know a part do not erase each other's.
-- migrate:up

CREATE FUNCTION sync_user_profile(p_user_id uuid, p_identity jsonb) RETURNS jsonb
    LANGUAGE sql AS $$
    INSERT INTO user_learning_profiles AS p (user_id, profile_identity)
    VALUES (p_user_id, coalesce(p_identity, '{}'))
    ON CONFLICT (user_id) DO UPDATE
    SET profile_identity = jsonb_deep_merge(p.profile_identity, excluded.profile_identity)
    RETURNING profile_identity
$$;
COMMENT ON FUNCTION sync_user_profile(uuid, jsonb) IS 'Merges a document into the profile of a user, made if missing; returns the whole document.';

-- migrate:down

DROP FUNCTION sync_user_profile;
