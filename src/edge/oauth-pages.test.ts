import assert from 'node:assert/strict';
import { test } from 'node:test';
import { confirmPage, failurePage, successPage } from './oauth-pages.ts';

test('pages show text as text', () => {
  const bad = `<script>"'&`;
  const shown = { tenantId: bad, userId: bad, serverName: bad, serverHost: bad, proof: bad };
  for (const page of [confirmPage(shown), failurePage(bad), successPage(bad)]) {
    assert.ok(!page.includes('<script'), page);
    assert.ok(page.includes('&lt;script&gt;&quot;&#39;&amp;'), page);
  }
});
