CREATE TABLE "dragon"."api_keys" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"user_id" text NOT NULL,
	"ordinal" bigint GENERATED ALWAYS AS IDENTITY (sequence name "dragon"."api_keys_ordinal_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"name" text NOT NULL,
	"hash" text NOT NULL,
	"scopes" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone,
	"revoked_at" timestamp with time zone,
	"last_used_at" timestamp with time zone,
	CONSTRAINT "api_keys_owner_ordinal_key" UNIQUE("tenant_id","user_id","ordinal")
);
--> statement-breakpoint
ALTER TABLE "dragon"."api_keys" ADD CONSTRAINT "api_keys_owner_fkey" FOREIGN KEY ("tenant_id","user_id") REFERENCES "dragon"."users"("tenant_id","id") ON DELETE cascade ON UPDATE no action;