"""PyOptInterface: scalar code traced as its models trace it, differentiated by CppAD, compiled by LLVM, called by address.

Its evaluators are called by solvers in C++ alone. What they call is called here through ctypes, the shortest way from Python.
"""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
from llvmlite import ir
from pyoptinterface import nl
from pyoptinterface._src import codegen_llvm, cppad_interface_ext, jit_llvm, nleval_ext, nlexpr_ext

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.derivatives import Case

Run = Any


def _missing(_x: Any) -> Any:
    raise NotImplementedError("no erfc")


MATHS = SimpleNamespace(
    exp=nl.exp, log=nl.log, sqrt=nl.sqrt, sin=nl.sin, cos=nl.cos, array=list, erfc=_missing,
)  # fmt: skip


def derivative(case: Case, kind: str) -> Run:
    """The function, or a derivative by CppAD."""
    graph, structure, constants = _differentiated(case)
    if kind == "value":
        return _bound(graph.f, case, constants, structure.ny)
    if kind == "hessian":
        run = _bound(graph.hessian, case, constants, structure.m_hessian_nnz, weights=np.ones(structure.ny))
        return _placed(run, structure.m_hessian_rows, structure.m_hessian_cols, case, symmetric=True)
    run = _bound(graph.jacobian, case, constants, structure.m_jacobian_nnz)
    if kind == "gradient":
        assert [*structure.m_jacobian_cols] == [*range(len(case.x))]
        return run
    return _placed(run, structure.m_jacobian_rows, structure.m_jacobian_cols, case, rows_of=structure.ny)


def _differentiated(case: Case) -> tuple[Any, Any, list[float]]:
    """Return graphs, patterns, and constants, which it takes as parameters so that similar graphs share their code."""
    constants: list[float] = []
    add = nlexpr_ext.ExpressionGraph.add_constant

    def adding(graph: Any, value: float) -> Any:
        constants.append(float(value))
        return add(graph, value)

    with nl.graph() as graph, mock.patch.object(nlexpr_ext.ExpressionGraph, "add_constant", adding):
        outputs = case.f([graph.add_variable(k) for k in range(len(case.x))], MATHS)
        for output in outputs if isinstance(outputs, list) else [outputs]:
            graph.add_constraint_output(output)
        traced = cppad_interface_ext.cppad_trace_graph_constraints(graph)
    structure, found = nleval_ext.AutodiffSymbolicStructure(), cppad_interface_ext.CppADAutodiffGraph()
    cppad_interface_ext.cppad_autodiff(traced, structure, found, case.x.tolist(), constants)
    assert traced.np == len(constants)
    return found, structure, constants


def _bound(
    graph: Any, case: Case, constants: list[float], count: int, weights: np.ndarray | None = None
) -> Callable[[], np.ndarray]:
    """Compile a graph and bind it to memory once; a run then copies nothing but the results."""
    module, compiler = ir.Module(name="module"), jit_llvm.LLJITCompiler()
    codegen_llvm.create_llvmir_basic_functions(module)
    given = {} if weights is None else {"hessian_lagrange": True, "nw": len(weights)}
    codegen_llvm.generate_llvmir_from_graph(module, graph, "derivative", np=len(constants), **given)
    library = compiler.compile_module(module, ["derivative"])
    parameters = [np.array(constants)] if constants else []
    arrays = [np.array(case.x, dtype=float), *parameters, *([] if weights is None else [weights]), np.zeros(count)]
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(arrays))(library["derivative"])
    places, result = [ctypes.c_void_p(array.ctypes.data) for array in arrays], arrays[-1]

    def run(_held: Any = (arrays, compiler, library)) -> np.ndarray:
        function(*places)
        return result.copy()

    return run


def _placed(
    run: Callable[[], np.ndarray], rows: Any, columns: Any, case: Case, rows_of: int = 0, *, symmetric: bool = False
) -> Run:
    """A dense matrix, as its entries lie in a solver's; of a large Hessian the entries alone, row by row."""
    n = len(case.x)
    rows, columns = np.array(rows), np.array(columns)
    if symmetric and case.large:
        order = np.lexsort((np.minimum(rows, columns), np.maximum(rows, columns)))
        return lambda: run()[order]
    places = rows * n + columns, columns * n + rows

    def filled() -> np.ndarray:
        matrix, entries = np.zeros((rows_of or n) * n), run()
        matrix[places[0]] = entries
        if symmetric:
            matrix[places[1]] = entries
        return matrix

    return filled
