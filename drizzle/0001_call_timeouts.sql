ALTER TABLE "dragon"."servers" ADD COLUMN "timeouts" jsonb;--> statement-breakpoint
ALTER TABLE "dragon"."servers" ADD COLUMN "tool_timeouts" jsonb;