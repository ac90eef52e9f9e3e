-- 008_user_profiles: the identity of a learning profile
--
-- The profile of a user gains a document for what is known beyond the counts (where they come from, what they
-- prefer); it is merged, never replaced, by `sync_user_profile` of a later file.
-- migrate:up

ALTER TABLE user_learning_profiles ADD COLUMN profile_identity jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN user_learning_profiles.profile_identity IS 'what is known of the user beyond counts; merged by sync_user_profile, never replaced';

-- migrate:down

-- Loses the profile documents.
ALTER TABLE user_learning_profiles DROP COLUMN profile_identity;
