// What an operator asked of this member (not of the cluster: that goes through the store).

export type MemberRequest =
  | { readonly kind: 'restart'; readonly id: string; readonly onlyIfPending: boolean }
  | {
      readonly kind: 'reinitialise'
      readonly id: string
      readonly force: boolean
      readonly fromLeader: boolean
    }
  | { readonly kind: 'reload'; readonly id: string }

export type RequestOutcome =
  | { readonly kind: 'done'; readonly text: string }
  | { readonly kind: 'refused'; readonly text: string }
