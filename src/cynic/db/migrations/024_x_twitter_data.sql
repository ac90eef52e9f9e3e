-- 024_x_twitter_data: posts on X: accounts, posts, feeds, trends, synchronisation, and hybrid search
--
-- Posts are never removed, only marked deleted; those of little relevance are thinned that way after 162 days.
-- The search vector covers the text (weight A) and the hashtags (B) and is kept by trigger, only when one of
-- the two changes.
--
-- `search_x_tweets_hybrid` fuses two rankings: 0.382 full text + 0.618 nearness. Candidates come from two
-- indexed lists, the best by text and the nearest by vector, so that neither part scans the table. Both parts
-- lie in [0, 1] (rank with normalisation 32: r / (r + 1); cosine similarity floored at 0), so they can be
-- added. Without an embedding, or without words, the one part there is counts whole, so scores compare between
-- calls of one kind. Filters that are NULL do not filter; a handle is compared whatever its case, with or
-- without @; engagement is likes + retweets. The order is total: score, time, id.
-- migrate:up

CREATE TABLE x_users (
    id bigserial PRIMARY KEY,
    x_user_id varchar NOT NULL UNIQUE,
    username varchar NOT NULL,
    display_name varchar,
    bio text,
    profile_image_url varchar,
    followers_count integer NOT NULL DEFAULT 0 CHECK (followers_count >= 0),
    following_count integer NOT NULL DEFAULT 0 CHECK (following_count >= 0),
    verified boolean NOT NULL DEFAULT false,
    is_monitored boolean NOT NULL DEFAULT false,
    monitor_priority integer NOT NULL DEFAULT 50 CHECK (monitor_priority >= 0 AND monitor_priority <= 100),
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_x_users_username ON x_users (lower(username));
CREATE INDEX idx_x_users_monitored ON x_users (monitor_priority DESC) WHERE is_monitored;

COMMENT ON TABLE x_users IS 'social: accounts on X that were seen or are monitored';
COMMENT ON COLUMN x_users.username IS 'the handle without @';

CREATE TABLE x_tweets (
    id bigserial PRIMARY KEY,
    tweet_id varchar NOT NULL UNIQUE,
    x_user_id varchar NOT NULL REFERENCES x_users (x_user_id) ON DELETE RESTRICT,
    text text NOT NULL,
    language varchar,
    tweet_type varchar NOT NULL DEFAULT 'tweet' CHECK (tweet_type IN ('tweet', 'reply', 'retweet', 'quote', 'thread')),
    reply_to_tweet_id varchar,
    quote_tweet_id varchar,
    thread_id varchar,
    media jsonb NOT NULL DEFAULT '[]',
    urls jsonb NOT NULL DEFAULT '[]',
    hashtags text[] NOT NULL DEFAULT '{}',
    mentions text[] NOT NULL DEFAULT '{}',
    likes_count integer NOT NULL DEFAULT 0 CHECK (likes_count >= 0),
    retweets_count integer NOT NULL DEFAULT 0 CHECK (retweets_count >= 0),
    views_count integer NOT NULL DEFAULT 0 CHECK (views_count >= 0),
    sentiment varchar CHECK (sentiment IN ('positive', 'negative', 'neutral', 'mixed')),
    sentiment_score numeric CHECK (sentiment_score >= 0 AND sentiment_score <= 1),
    relevance_score numeric CHECK (relevance_score >= 0 AND relevance_score <= 0.618),
    topics text[] NOT NULL DEFAULT '{}',
    q_score integer CHECK (q_score >= 0 AND q_score <= 100),
    embedding vector(1536),
    search_vector tsvector,
    posted_at timestamptz,
    captured_at timestamptz NOT NULL DEFAULT now(),
    analyzed_at timestamptz,
    deleted boolean NOT NULL DEFAULT false,
    deleted_at timestamptz
);

CREATE INDEX idx_x_tweets_user ON x_tweets (x_user_id, posted_at DESC);
CREATE INDEX idx_x_tweets_posted ON x_tweets (posted_at DESC);
CREATE INDEX idx_x_tweets_type ON x_tweets (tweet_type);
CREATE INDEX idx_x_tweets_hashtags ON x_tweets USING gin (hashtags);
CREATE INDEX idx_x_tweets_fts ON x_tweets USING gin (search_vector);
CREATE INDEX idx_x_tweets_vector ON x_tweets USING hnsw (embedding vector_cosine_ops) WITH (m = 21, ef_construction = 89);
CREATE INDEX idx_x_tweets_reply ON x_tweets (reply_to_tweet_id) WHERE reply_to_tweet_id IS NOT NULL;

COMMENT ON TABLE x_tweets IS 'social: posts on X with scores, full text and embedding; deleted softly only';
COMMENT ON COLUMN x_tweets.relevance_score IS 'φ-bounded relevance in [0, 0.618]';
COMMENT ON COLUMN x_tweets.embedding IS '1536 dimensions, compared by cosine';
COMMENT ON COLUMN x_tweets.deleted_at IS 'when the post was marked deleted, for thinning to be undone';

CREATE TABLE x_feeds (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    user_id varchar NOT NULL,
    name varchar NOT NULL,
    feed_type varchar NOT NULL DEFAULT 'custom' CHECK (feed_type IN ('timeline', 'list', 'search', 'user', 'topic', 'custom')),
    filters jsonb NOT NULL DEFAULT '{}',
    is_active boolean NOT NULL DEFAULT true,
    priority integer NOT NULL DEFAULT 50 CHECK (priority >= 0 AND priority <= 100),
    tweet_count integer NOT NULL DEFAULT 0 CHECK (tweet_count >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_x_feeds_user ON x_feeds (user_id);
CREATE INDEX idx_x_feeds_active ON x_feeds (priority DESC) WHERE is_active;

COMMENT ON TABLE x_feeds IS 'social: named selections of posts';

CREATE TABLE x_feed_tweets (
    feed_id uuid NOT NULL REFERENCES x_feeds (id) ON DELETE CASCADE,
    tweet_id varchar NOT NULL REFERENCES x_tweets (tweet_id) ON DELETE CASCADE,
    match_reason varchar,
    added_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (feed_id, tweet_id)
);

CREATE INDEX idx_x_feed_tweets_tweet ON x_feed_tweets (tweet_id);

COMMENT ON TABLE x_feed_tweets IS 'social: which post is in which feed, and why';

CREATE TABLE x_trends (
    id bigserial PRIMARY KEY,
    trend_name varchar NOT NULL UNIQUE,
    trend_type varchar NOT NULL DEFAULT 'hashtag' CHECK (trend_type IN ('hashtag', 'keyword', 'topic', 'event')),
    location varchar,
    tweet_volume integer CHECK (tweet_volume >= 0),
    rank integer CHECK (rank >= 0),
    sentiment varchar CHECK (sentiment IN ('positive', 'negative', 'neutral', 'mixed')),
    observed_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE x_trends IS 'social: what is talked about: the latest observation of each';

CREATE TABLE x_sync_status (
    id bigserial PRIMARY KEY,
    sync_type varchar NOT NULL,
    sync_target varchar,
    last_tweet_id varchar,
    tweets_captured integer NOT NULL DEFAULT 0 CHECK (tweets_captured >= 0),
    status varchar NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'error', 'disabled')),
    last_sync_at timestamptz,
    CONSTRAINT x_sync_status_target UNIQUE NULLS NOT DISTINCT (sync_type, sync_target)
);

COMMENT ON TABLE x_sync_status IS 'social: how far each synchronisation got';
CREATE TRIGGER x_users_touch BEFORE UPDATE ON x_users
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch_updated_at();

CREATE FUNCTION x_tweets_search_vector_update() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    NEW.search_vector :=
        setweight(to_tsvector('english', coalesce(NEW.text, '')), 'A')
        || setweight(to_tsvector('english', array_to_string(NEW.hashtags, ' ')), 'B');
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION x_tweets_search_vector_update() IS 'Row trigger: full text of text and hashtags.';
CREATE TRIGGER x_tweets_search_vector BEFORE INSERT OR UPDATE OF text, hashtags ON x_tweets
    FOR EACH ROW EXECUTE FUNCTION x_tweets_search_vector_update();

CREATE FUNCTION search_x_tweets_hybrid(
    query text,
    embedding vector(1536) DEFAULT NULL,
    only_username varchar DEFAULT NULL,
    min_engagement integer DEFAULT 0,
    only_sentiment varchar DEFAULT NULL,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL,
    "limit" integer DEFAULT 20
) RETURNS TABLE (
    tweet_id varchar, x_user_id varchar, username varchar, text text, posted_at timestamptz, likes_count integer,
    retweets_count integer, sentiment varchar, relevance_score numeric, combined_score double precision
)
    LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    v_query CONSTANT tsquery := websearch_to_tsquery('english', coalesce(search_x_tweets_hybrid.query, ''));
    v_embedding CONSTANT vector(1536) := search_x_tweets_hybrid.embedding;
    v_handle CONSTANT text := lower(ltrim(search_x_tweets_hybrid.only_username, '@'));
    v_engagement CONSTANT integer := coalesce(search_x_tweets_hybrid.min_engagement, 0);
    v_sentiment CONSTANT text := search_x_tweets_hybrid.only_sentiment;
    v_since CONSTANT timestamptz := search_x_tweets_hybrid.since;
    v_until CONSTANT timestamptz := search_x_tweets_hybrid.until;
    v_limit CONSTANT integer := search_x_tweets_hybrid."limit";
    v_by_text CONSTANT boolean := numnode(v_query) > 0;
    v_by_vector CONSTANT boolean := v_embedding IS NOT NULL;
    v_text_weight CONSTANT double precision := CASE WHEN NOT v_by_text THEN 0 WHEN v_by_vector THEN 0.382 ELSE 1 END;
BEGIN
    IF v_limit IS NULL OR v_limit NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'a search returns 1 to 1000 rows, not %', coalesce(v_limit::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN QUERY
    WITH wanted AS NOT MATERIALIZED (
        SELECT t.* FROM x_tweets AS t
        WHERE NOT t.deleted
          AND t.likes_count::bigint + t.retweets_count >= v_engagement
          AND (v_sentiment IS NULL OR t.sentiment = v_sentiment)
          AND (v_since IS NULL OR t.posted_at >= v_since)
          AND (v_until IS NULL OR t.posted_at < v_until)
          AND (v_handle IS NULL OR EXISTS (
              SELECT FROM x_users AS u WHERE u.x_user_id = t.x_user_id AND lower(u.username) = v_handle))
    ), by_text AS (
        SELECT w.id FROM wanted AS w
        WHERE v_by_text AND w.search_vector @@ v_query
        ORDER BY ts_rank(w.search_vector, v_query, 32) DESC, w.id DESC
        LIMIT greatest(v_limit * 5, 100)
    ), by_vector AS (
        SELECT w.id FROM wanted AS w
        WHERE v_by_vector AND w.embedding IS NOT NULL
        ORDER BY w.embedding <=> v_embedding
        LIMIT greatest(v_limit * 5, 100)
    ), scored AS (
        SELECT t.*,
               v_text_weight * CASE WHEN v_by_text THEN ts_rank(t.search_vector, v_query, 32) ELSE 0 END
               + (1 - v_text_weight) * CASE WHEN v_by_vector THEN coalesce(greatest(1 - (t.embedding <=> v_embedding), 0), 0) ELSE 0 END
                   AS score
        FROM x_tweets AS t
        WHERE t.id IN (SELECT b.id FROM by_text AS b UNION SELECT b.id FROM by_vector AS b)
    )
    SELECT s.tweet_id, s.x_user_id, u.username, s.text, s.posted_at, s.likes_count, s.retweets_count, s.sentiment,
           s.relevance_score, s.score
    FROM scored AS s
    LEFT JOIN x_users AS u ON u.x_user_id = s.x_user_id
    ORDER BY s.score DESC, s.posted_at DESC NULLS LAST, s.tweet_id
    LIMIT v_limit;
END;
$$;
COMMENT ON FUNCTION search_x_tweets_hybrid(text, vector, varchar, integer, varchar, timestamptz, timestamptz, integer) IS 'Posts by full text (0.382) and nearness (0.618), best first; NULL filters do not filter. Nothing to search by returns nothing.';

CREATE FUNCTION get_feed_tweets(p_feed_id uuid, p_limit integer DEFAULT 50)
    RETURNS TABLE (tweet_id varchar, text text, posted_at timestamptz, match_reason varchar)
    LANGUAGE sql STABLE AS $$
    SELECT t.tweet_id, t.text, t.posted_at, f.match_reason
    FROM x_feed_tweets AS f
    JOIN x_tweets AS t ON t.tweet_id = f.tweet_id
    WHERE f.feed_id = p_feed_id AND NOT t.deleted
    ORDER BY t.posted_at DESC NULLS LAST, t.tweet_id
    LIMIT require_batch(p_limit)
$$;
COMMENT ON FUNCTION get_feed_tweets(uuid, integer) IS 'The posts of a feed, newest first.';

CREATE FUNCTION get_tweet_thread(p_tweet_id text)
    RETURNS TABLE (tweet_id varchar, text text, posted_at timestamptz, depth integer)
    LANGUAGE sql STABLE AS $$
    WITH RECURSIVE above AS (
        SELECT t.tweet_id, t.reply_to_tweet_id FROM x_tweets AS t WHERE t.tweet_id = p_tweet_id
        UNION
        SELECT t.tweet_id, t.reply_to_tweet_id FROM x_tweets AS t JOIN above AS a ON t.tweet_id = a.reply_to_tweet_id
    ), root AS (
        SELECT a.tweet_id FROM above AS a
        WHERE NOT EXISTS (SELECT FROM x_tweets AS p WHERE p.tweet_id = a.reply_to_tweet_id)
    ), thread AS (
        SELECT t.tweet_id, t.text, t.posted_at, 0 AS depth
        FROM x_tweets AS t JOIN root AS r ON r.tweet_id = t.tweet_id
        UNION ALL
        SELECT t.tweet_id, t.text, t.posted_at, h.depth + 1
        FROM x_tweets AS t JOIN thread AS h ON t.reply_to_tweet_id = h.tweet_id
    ) CYCLE tweet_id SET is_cycle USING path
    SELECT h.tweet_id, h.text, h.posted_at, h.depth FROM thread AS h WHERE NOT h.is_cycle
    ORDER BY h.depth, h.posted_at NULLS LAST, h.tweet_id
$$;
COMMENT ON FUNCTION get_tweet_thread(text) IS 'The whole conversation a post belongs to, from its root, with the depth of each reply.';

CREATE FUNCTION get_x_stats()
    RETURNS TABLE (total_users bigint, monitored_users bigint, total_tweets bigint, analyzed_tweets bigint,
                   active_feeds bigint, tweets_today bigint)
    LANGUAGE sql STABLE AS $$
    SELECT (SELECT count(*) FROM x_users), (SELECT count(*) FROM x_users AS u WHERE u.is_monitored),
           count(*) FILTER (WHERE NOT t.deleted), count(*) FILTER (WHERE NOT t.deleted AND t.analyzed_at IS NOT NULL),
           (SELECT count(*) FROM x_feeds AS f WHERE f.is_active),
           count(*) FILTER (WHERE NOT t.deleted AND t.captured_at >= date_trunc('day', now(), 'UTC'))
    FROM x_tweets AS t
$$;
COMMENT ON FUNCTION get_x_stats() IS 'Counts over accounts, posts and feeds; today begins at midnight UTC.';

CREATE FUNCTION cleanup_x_tweets(p_days integer DEFAULT 162, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    UPDATE x_tweets AS x SET deleted = true, deleted_at = now()
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM x_tweets AS y
        WHERE coalesce(y.posted_at, y.captured_at) < v_before AND NOT y.deleted AND coalesce(y.relevance_score, 0) < 0.382
        ORDER BY coalesce(y.posted_at, y.captured_at)
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_x_tweets(integer, integer) IS 'Marks posts deleted that are older than p_days and whose relevance is below 0.382 or unknown; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE x_sync_status;
DROP TABLE x_trends;
DROP TABLE x_feed_tweets;
DROP TABLE x_feeds;
DROP TABLE x_tweets;
DROP TABLE x_users;
DROP FUNCTION cleanup_x_tweets;
DROP FUNCTION get_x_stats;
DROP FUNCTION get_tweet_thread;
DROP FUNCTION get_feed_tweets;
DROP FUNCTION search_x_tweets_hybrid;
DROP FUNCTION x_tweets_search_vector_update;
