ALTER TABLE "dragon"."servers" ADD COLUMN "shared_with" jsonb;--> statement-breakpoint
CREATE INDEX "servers_shared_idx" ON "dragon"."servers" USING btree ("tenant_id") WHERE "dragon"."servers"."shared_with" is not null;--> statement-breakpoint
ALTER TABLE "dragon"."oauth_tokens" DROP CONSTRAINT "oauth_tokens_pkey";
--> statement-breakpoint
ALTER TABLE "dragon"."oauth_tokens" ADD CONSTRAINT "oauth_tokens_pkey" PRIMARY KEY("server_id","tenant_id","user_id");