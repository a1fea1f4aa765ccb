CREATE TABLE "dragon"."event_chains" (
	"tenant_id" text PRIMARY KEY NOT NULL,
	"ordinal" bigint DEFAULT 0 NOT NULL,
	"hash" text DEFAULT '' NOT NULL,
	"anchor_ordinal" bigint DEFAULT 0 NOT NULL,
	"anchor_hash" text DEFAULT '' NOT NULL
);
--> statement-breakpoint
CREATE TABLE "dragon"."event_stubs" (
	"tenant_id" text NOT NULL,
	"ordinal" bigint NOT NULL,
	"hash" text NOT NULL,
	CONSTRAINT "event_stubs_pkey" PRIMARY KEY("tenant_id","ordinal")
);
--> statement-breakpoint
CREATE TABLE "dragon"."events" (
	"id" uuid NOT NULL,
	"time" timestamp (3) with time zone NOT NULL,
	"tenant_id" text NOT NULL,
	"user_id" text,
	"type" text NOT NULL,
	"action" text NOT NULL,
	"outcome" text NOT NULL,
	"server" text,
	"tool" text,
	"session" text,
	"node" text NOT NULL,
	"duration_us" bigint,
	"request_bytes" bigint,
	"answer_bytes" bigint,
	"detail" text,
	"ordinal" bigint NOT NULL,
	"hash" text NOT NULL,
	CONSTRAINT "events_pkey" PRIMARY KEY("tenant_id","time","id")
) PARTITION BY RANGE ("time");
--> statement-breakpoint
CREATE INDEX "events_ordinal_idx" ON "dragon"."events" USING btree ("tenant_id","ordinal");--> statement-breakpoint
CREATE INDEX "events_user_idx" ON "dragon"."events" USING btree ("tenant_id","user_id","time","id");--> statement-breakpoint
CREATE INDEX "events_server_idx" ON "dragon"."events" USING btree ("tenant_id","server","time","id");--> statement-breakpoint
CREATE INDEX "events_tool_idx" ON "dragon"."events" USING btree ("tenant_id","tool","time","id");--> statement-breakpoint
CREATE INDEX "events_type_idx" ON "dragon"."events" USING btree ("tenant_id","type","time","id") WHERE "dragon"."events"."type" <> 'call';--> statement-breakpoint
CREATE INDEX "events_outcome_idx" ON "dragon"."events" USING btree ("tenant_id","outcome","time","id") WHERE "dragon"."events"."outcome" <> 'ok';