// Asks an IAM evaluator that nobody here wrote (@cloud-copilot/iam-simulate) every enumerated call, and compares its
// answer with what the approvals say: no over-grant, no under-grant.
//
//   node check.mjs CASES.json FOLDER-OF-GOLDEN-POLICIES FOLDER-WITH-NODE_MODULES
//
// Three passes. Every document must be valid for its kind, the golden ones too. Every call is asked of the evaluator's core; calls that are
// permitted in the smaller cases are asked once more with its full validation, which knows from AWS's service reference
// which actions, resources and context keys exist: a condition on a key that AWS never sends would show there. Then
// documents are mutated, and the comparison must notice every kind of mutation: a check that cannot fail would be none.

import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'

const CALLS_MIN = 100_000
const SHOWN_MAX = 20
// Roles' documents are asked in full where few approvals meet; pairs repeat what single ones showed.
const STRICT_CASES = /in: (grant \d+|everything|an organisation)/
// What the Bedrock user guide documents and the service reference, which the evaluator validates against, does not hold:
// the model's ARN without region for global routing, and batch jobs through an inference profile.
const NOT_IN_REFERENCE = [/:bedrock:::foundation-model\//, /^bedrock:CreateModelInvocationJob .*:inference-profile\//]

const [casesFile, golden, tools] = process.argv.slice(2)
const require = createRequire(resolve(tools, 'package.json'))
const { runSimulation, runUnsafeSimulation } = require('@cloud-copilot/iam-simulate')
const { validateIdentityPolicy, validateServiceControlPolicy, validateTrustPolicy } = require('@cloud-copilot/iam-policy')

const { calls, cases } = JSON.parse(readFileSync(casesFile, 'utf8'))

const everything = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] }

function simulation({ principal, document, organisationDeny }, call) {
  const organisation = [{ name: 'FullAWSAccess', policy: everything }]
  if (organisationDeny) organisation.push({ name: 'organisation-deny', policy: organisationDeny })
  return {
    identityPolicies: document ? [{ name: 'FinOpsCenterApproved', policy: document }] : [],
    serviceControlPolicies: [{ orgIdentifier: 'r-root', policies: organisation }],
    resourceControlPolicies: [],
    request: {
      principal,
      action: call.action,
      // The principal's own account: what a policy of another account would have to add is not this document's to say.
      resource: { resource: call.resource, accountId: principal.split(':')[4] },
      contextVariables: call.context,
    },
  }
}

const asked = (given, call) => runUnsafeSimulation(simulation(given, call), {}) === 'Allowed'
const expected = (given, index) => given.expected[index] === '1'

const disagrees = (given) => (call, index) => asked(given, call) !== expected(given, index)

function validate() {
  const problems = []
  for (const { name, document, organisationDeny } of cases) {
    const errors = [
      ...(document ? validateIdentityPolicy(document) : []),
      ...(organisationDeny ? validateServiceControlPolicy(organisationDeny) : []),
    ]
    if (errors.length > 0) problems.push(`${name}: ${JSON.stringify(errors)}`)
  }
  const files = readdirSync(golden).filter((file) => file.endsWith('.snap'))
  for (const file of files) {
    // A snapshot is a header between two lines of dashes, then the text.
    const document = JSON.parse(readFileSync(join(golden, file), 'utf8').split('\n---\n').slice(1).join('\n---\n'))
    const validated = file.startsWith('trust-') ? validateTrustPolicy : file.startsWith('organisation-') ? validateServiceControlPolicy : validateIdentityPolicy
    const errors = validated(document)
    if (errors.length > 0) problems.push(`${file}: ${JSON.stringify(errors)}`)
  }
  console.log(`${files.length} golden documents, ${cases.length} compiled ones: each read by the validator of its kind`)
  if (files.length === 0) problems.push('no golden document was found')
  return problems
}

function compare() {
  const problems = []
  let permitted = 0
  for (const given of cases) {
    if (given.expected.length !== calls.length) throw new Error(`${given.name}: ${calls.length} calls, other answers`)
    permitted += [...given.expected].filter((answer) => answer === '1').length
    for (const [index, call] of calls.entries()) {
      if (!disagrees(given)(call, index)) continue
      const grants = expected(given, index) ? 'under-grant' : 'over-grant'
      problems.push(`${grants}: ${JSON.stringify(call)} with ${given.name}`)
    }
  }
  const all = cases.length * calls.length
  console.log(`${cases.length} documents x ${calls.length} calls = ${all}, of which ${permitted} are permitted`)
  if (all < CALLS_MIN) problems.push(`only ${all} calls were asked`)
  if (permitted === 0 || permitted === all) problems.push('all answers are the same: nothing was compared')
  return problems
}

async function compareStrictly() {
  const problems = []
  let count = 0
  for (const given of cases.filter(({ name }) => STRICT_CASES.test(name))) {
    for (const [index, call] of calls.entries()) {
      if (!expected(given, index) || NOT_IN_REFERENCE.some((known) => known.test(`${call.action} ${call.resource}`))) continue
      count += 1
      const answer = await runSimulation(simulation(given, call), { simulationMode: 'Strict' })
      if (answer.overallResult !== 'Allowed') {
        problems.push(`strictly ${answer.overallResult ?? JSON.stringify(answer.errors)}: ${JSON.stringify(call)} with ${given.name}`)
      }
    }
  }
  console.log(`${count} permitted calls asked again, with the service reference`)
  if (count === 0) problems.push('no permitted call was asked strictly')
  return problems
}

const MCP_KEYS = ['aws:ViaAWSMCPService', 'aws:CalledViaAWSMCP']

// Each mutation is something that a mistake in the generator, or a hand edit, would do.
function* mutations(document) {
  const copy = () => structuredClone(document)
  for (const index of document.Statement.keys()) {
    const without = copy()
    without.Statement.splice(index, 1)
    yield [`without ${document.Statement[index].Sid}`, without]
    if (document.Statement[index].Condition) {
      const unconditional = copy()
      delete unconditional.Statement[index].Condition
      // An allow's own limit to MCP servers matters only where another grant opens the same action to other servers.
      const limitsServers = Object.values(document.Statement[index].Condition).flatMap(Object.keys).every((key) => MCP_KEYS.includes(key))
      yield [`${limitsServers ? document.Statement[index].Effect : document.Statement[index].Sid} without its condition`, unconditional]
    }
    if (document.Statement[index].Effect === 'Allow') {
      const anywhere = copy()
      anywhere.Statement[index].Resource = '*'
      yield [`${document.Statement[index].Sid} on every resource`, anywhere]
    }
  }
}

// A deny of what nothing allows anyway is a second lock: without it the document grants the same.
const SECOND_LOCK = /^without Deny(BedrockMantle|OtherWorkspaces|BearerTokens|AgenticOtherActions|AgenticViaOtherServers)$/
// Situations that between them make every other part of a document matter.
const MUTATED_CASES = /in: (grant \d+|grants (0 and 8|0 and 9|4 and 8|8 and 9)|an organisation of four roles)$/

function mutate() {
  const noticed = new Map()
  for (const given of cases.filter(({ name, document }) => document && MUTATED_CASES.test(name))) {
    for (const [what, document] of mutations(given.document)) {
      if (isDeepStrictEqual(document, given.document)) continue
      const kind = what.replace(/\d+/, '')
      noticed.set(kind, (noticed.get(kind) ?? 0) + Number(calls.some(disagrees({ ...given, document }))))
    }
  }
  console.log(`${[...noticed.values()].reduce((sum, count) => sum + count, 0)} mutated documents noticed`)
  const problems = [...noticed].filter(([kind, count]) => count === 0 && !SECOND_LOCK.test(kind))
  if (noticed.size === 0) return ['nothing was mutated']
  return problems.map(([kind]) => `never noticed: a document ${kind}`)
}

const problems = []
for (const pass of [validate, compare, compareStrictly, mutate]) problems.push(...(await pass()))
problems.slice(0, SHOWN_MAX).forEach((problem) => console.error(problem))
if (problems.length > SHOWN_MAX) console.error(`… and ${problems.length - SHOWN_MAX} more`)
process.exitCode = problems.length > 0 ? 1 : 0
