CREATE TABLE "dragon"."oauth_clients" (
	"server_id" uuid NOT NULL,
	"tenant_id" text NOT NULL,
	"user_id" text NOT NULL,
	"issuer" text NOT NULL,
	"sealed" text NOT NULL,
	CONSTRAINT "oauth_clients_pkey" PRIMARY KEY("server_id","issuer")
);
--> statement-breakpoint
CREATE TABLE "dragon"."oauth_logins" (
	"server_id" uuid NOT NULL,
	"tenant_id" text NOT NULL,
	"user_id" text NOT NULL,
	"ticket_hash" text PRIMARY KEY NOT NULL,
	"state_hash" text,
	"scopes" jsonb NOT NULL,
	"sealed" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "oauth_logins_state_key" UNIQUE("state_hash")
);
--> statement-breakpoint
CREATE TABLE "dragon"."oauth_tokens" (
	"server_id" uuid NOT NULL,
	"tenant_id" text NOT NULL,
	"user_id" text NOT NULL,
	"url" text NOT NULL,
	"state" text NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"challenge" jsonb,
	"sealed" text,
	"claimed_until" timestamp with time zone,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "oauth_tokens_pkey" PRIMARY KEY("server_id")
);
--> statement-breakpoint
ALTER TABLE "dragon"."oauth_clients" ADD CONSTRAINT "oauth_clients_server_fkey" FOREIGN KEY ("server_id") REFERENCES "dragon"."servers"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "dragon"."oauth_logins" ADD CONSTRAINT "oauth_logins_server_fkey" FOREIGN KEY ("server_id") REFERENCES "dragon"."servers"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "dragon"."oauth_tokens" ADD CONSTRAINT "oauth_tokens_server_fkey" FOREIGN KEY ("server_id") REFERENCES "dragon"."servers"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "oauth_logins_server_idx" ON "dragon"."oauth_logins" USING btree ("server_id");