"""Exercises that their notebook does not ask, since it prints the answer: for an exam, or to warm up with."""

from __future__ import annotations

__all__: list[str] = []  # each stands in the file of its topic

SHOWN = ("linear_parameters",)  # no exercise: notebook 00 shows with it what a check says

PRINTED = (
    "adam_step", "asked_pairs", "attention_distance", "attention_macs", "block_activations", "block_backward",
    "central_difference", "class_token", "class_token_backward", "conv2d", "conv2d_backward", "conv_macs",
    "cross_attention", "cross_entropy_backward", "data_parallel_gradient", "decoupled_decay", "dropout", "exaflops",
    "feature_tokens", "few_shots", "gelu", "gelu_backward", "grid_positions", "groupnorm", "hyper_rule",
    "inflated_filters", "label_smoothing", "layernorm_backward", "logit_lens", "many_linear_step", "mlp",
    "noisy_student_loss", "official_qkv", "paired_difference", "permuted_positions", "plus_minus_targets", "pool",
    "position_embedding_backward", "postact_unit", "preact_unit", "relative_scores", "ridge_dual", "ridge_primal",
    "rollout", "same_padding", "scaled_scores_backward", "sgd_step", "shuffle_patches", "sinusoid",
    "softmax_backward", "standard_error", "standardize", "token_cross_entropy", "training_compute", "tubelets",
    "vit_macs",
)  # fmt: skip
