import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCacheable, isMultiRound } from './methods.ts';

const METHODS = [
  'server/discover',
  'tools/list',
  'tools/call',
  'prompts/list',
  'prompts/get',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'completion/complete',
  'subscriptions/listen',
  'tasks/get',
  'constructor',
];

test('lists, descriptions and reads may be kept, and nothing else', () => {
  assert.deepEqual(METHODS.filter(isCacheable), [
    'server/discover',
    'tools/list',
    'prompts/list',
    'resources/list',
    'resources/templates/list',
    'resources/read',
  ]);
});

test('three methods may be answered by a question', () => {
  assert.deepEqual(METHODS.filter(isMultiRound), ['tools/call', 'prompts/get', 'resources/read']);
});
