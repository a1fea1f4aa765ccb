CREATE SCHEMA IF NOT EXISTS "dragon";
--> statement-breakpoint
CREATE TABLE "dragon"."servers" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"user_id" text NOT NULL,
	"ordinal" bigint GENERATED ALWAYS AS IDENTITY (sequence name "dragon"."servers_ordinal_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"name" text NOT NULL,
	"kind" text NOT NULL,
	"url" text,
	"sealed_headers" text,
	"command" text,
	"args" jsonb,
	"cwd" text,
	"sealed_env" text,
	"tool_prefix" text,
	"enabled" boolean NOT NULL,
	"revision" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "servers_owner_name_key" UNIQUE("tenant_id","user_id","name"),
	CONSTRAINT "servers_owner_ordinal_key" UNIQUE("tenant_id","user_id","ordinal"),
	CONSTRAINT "servers_name_check" CHECK ("dragon"."servers"."name" ~ '^[A-Za-z0-9_-]{1,64}$'),
	CONSTRAINT "servers_target_check" CHECK (("dragon"."servers"."kind" = 'http' and "dragon"."servers"."url" is not null and "dragon"."servers"."command" is null) or ("dragon"."servers"."kind" = 'stdio' and "dragon"."servers"."command" is not null and "dragon"."servers"."args" is not null and "dragon"."servers"."url" is null))
);
--> statement-breakpoint
CREATE TABLE "dragon"."tenants" (
	"id" text PRIMARY KEY NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "dragon"."users" (
	"tenant_id" text NOT NULL,
	"id" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "users_pkey" PRIMARY KEY("tenant_id","id")
);
--> statement-breakpoint
ALTER TABLE "dragon"."servers" ADD CONSTRAINT "servers_owner_fkey" FOREIGN KEY ("tenant_id","user_id") REFERENCES "dragon"."users"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "dragon"."users" ADD CONSTRAINT "users_tenant_fkey" FOREIGN KEY ("tenant_id") REFERENCES "dragon"."tenants"("id") ON DELETE cascade ON UPDATE no action;